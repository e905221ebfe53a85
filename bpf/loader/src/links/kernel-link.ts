import type { PinnedLinkExpectation } from "../api/links.ts";
import type { Link, Program } from "../api/objects.ts";
import { SystemError, TagMismatch } from "../errors.ts";
import { tagOfProgram } from "../load/kernel-program.ts";
import { BPF } from "../sys/constants.ts";
import { Descriptor } from "../sys/descriptor.ts";
import { type Host, kernelHost } from "../sys/host.ts";
import { objectInfo } from "../sys/object-info.ts";
import { openPin, pinObject, unpinObject } from "../sys/pins.ts";

/**
 * Attaching: one function per kind of hook, all by bpf_link, so that closing the descriptor detaches and
 * a pin keeps the attachment. Nothing here uses the older attach commands.
 */
export class KernelLink implements Link {
  readonly #host: Host;
  readonly #descriptor: Descriptor;

  constructor(host: Host, fd: number) {
    this.#host = host;
    this.#descriptor = new Descriptor(host, fd);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  get id(): number {
    return objectInfo(this.#host, this.fd, 16).view.getUint32(4, true);
  }

  get programId(): number {
    return objectInfo(this.#host, this.fd, 16).view.getUint32(8, true);
  }

  update(program: Program): void {
    const call = this.#host.call.begin().u32(0, this.fd).u32(4, program.fd);
    call.must(BPF.linkUpdate, 16, `put program "${program.name}" in place of the attached one`);
  }

  pin(path: string): void {
    pinObject(this.#host, this.fd, path);
  }

  unpin(path: string): void {
    unpinObject(path);
  }

  detach(): void {
    this.#host.call.begin().u32(0, this.fd).must(BPF.linkDetach, 4, "detach");
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** What BPF_LINK_CREATE is told besides the program. */
export interface LinkRequest {
  /** Descriptor or interface index of what to attach to. */
  readonly target: number;
  readonly attachType: number;
  readonly flags?: number;
  /** For tcx: the revision of the chain that is expected, 0 = any. */
  readonly expectedRevision?: bigint;
  /** For the error message: what it is attached to. */
  readonly what: string;
}

/** Creates a link; throws `SystemError` naming program and target. */
export function createLink(host: Host, program: Program, request: LinkRequest): Link {
  const call = host.call
    .begin()
    .u32(0, program.fd)
    .u32(4, request.target)
    .u32(8, request.attachType)
    .u32(12, request.flags ?? 0)
    .u64(24, request.expectedRevision ?? 0n);
  const fd = call.run(BPF.linkCreate, 48);
  if (fd < 0) throw new SystemError(`attach program "${program.name}" to ${request.what}`, -fd);
  return new KernelLink(host, fd);
}

/**
 * Opens a link by its pin; undefined when nothing is pinned there. With `tag`, the attached program
 * must have that tag, or `TagMismatch` is thrown and nothing changes.
 */
export function openPinnedLink(
  path: string,
  expected: PinnedLinkExpectation = {},
): Link | undefined {
  const host = kernelHost();
  const fd = openPin(host, path);
  if (fd === undefined) return undefined;
  const link = new KernelLink(host, fd);
  if (expected.tag === undefined) return link;
  const tag = tagOfProgram(host, link.programId);
  if (tag === expected.tag) return link;
  link[Symbol.dispose]();
  throw new TagMismatch(
    `the link pinned as ${path} runs a program with tag ${tag ?? "unknown"}, not ${expected.tag}`,
  );
}
