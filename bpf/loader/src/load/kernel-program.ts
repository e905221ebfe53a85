import type { Program } from "../api/objects.ts";
import { TagMismatch } from "../errors.ts";
import { Descriptor } from "../sys/descriptor.ts";
import { type Host, kernelHost } from "../sys/host.ts";
import { objectInfo } from "../sys/object-info.ts";
import { openPin, pinObject } from "../sys/pins.ts";

/** A loaded program that owns its descriptor. */
export class KernelProgram implements Program {
  readonly name: string;
  readonly type: number;
  readonly attachType: number;
  readonly host: Host;
  readonly #descriptor: Descriptor;

  constructor(host: Host, fd: number, identity: Pick<Program, "name" | "type" | "attachType">) {
    this.host = host;
    this.name = identity.name;
    this.type = identity.type;
    this.attachType = identity.attachType;
    this.#descriptor = new Descriptor(host, fd);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  get id(): number {
    return programInfo(this.host, this.fd).id;
  }

  get tag(): string {
    return programInfo(this.host, this.fd).tag;
  }

  pin(path: string): void {
    pinObject(this.host, this.fd, path);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** What the kernel keeps of a program. */
export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  readonly tag: string;
  readonly name: string;
}

/** Asks the kernel about an open program. */
export function programInfo(host: Host, fd: number): ProgramInfo {
  const { view, bytes } = objectInfo(host, fd, 80);
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    tag: Buffer.from(bytes.subarray(8, 16)).toString("hex"),
    name: Buffer.from(bytes.subarray(64, 80)).toString("latin1").split("\0", 1)[0] ?? "",
  };
}

/**
 * Opens a program by its pin; undefined when nothing is pinned there. With `tag` its code must have
 * that tag, or `TagMismatch` is thrown. Its attach type is not known to the kernel: 0.
 */
export function openPinnedProgram(path: string, tag?: string): Program | undefined {
  const host = kernelHost();
  const fd = openPin(host, path);
  if (fd === undefined) return undefined;
  const info = programInfo(host, fd);
  const program = new KernelProgram(host, fd, { name: info.name, type: info.type, attachType: 0 });
  if (tag === undefined || tag === info.tag) return program;
  program[Symbol.dispose]();
  throw new TagMismatch(`the program pinned as ${path} has tag ${info.tag}, not ${tag}`);
}

/** Tag of the program with that id, as a link tells it; undefined when it is gone. */
export function tagOfProgram(host: Host, id: number): string | undefined {
  const GET_FD_BY_ID = 13;
  const fd = host.call.begin().u32(0, id).run(GET_FD_BY_ID, 12);
  if (fd < 0) return undefined;
  try {
    return programInfo(host, fd).tag;
  } finally {
    host.syscalls.close(fd);
  }
}
