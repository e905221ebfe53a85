/** What the choice of an endpoint depends on, taken from the request: hash keys and the client's address. */

import type { HashKey } from "#model/balance.ts";
import { findCookie } from "../../http/h1/lookup.ts";
import type { Range } from "../../http/h1/ranges.ts";
import type { RequestHead } from "../../http/message.ts";
import { hashBytes, hashText, NO_KEY } from "../balance/hash.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { PickRequest } from "../balance/pickers.ts";

const RANGE: Range = { start: 0, end: 0 };
const NAMES: Map<string, Uint8Array> = new Map();

/** The choice for one request after the other of a client connection: one object, filled anew for each. */
export class RequestPick implements PickRequest {
  key: number = NO_KEY;
  client: number = NO_KEY;
  tried: LiveEndpoint[] = [];
  #address = "";

  /** Hashes what the service's algorithm wants hashed. Nothing was tried yet. */
  begin(head: RequestHead, hashKey: HashKey | undefined, clientAddress: string): void {
    this.key = keyOf(hashKey, head);
    if (this.tried.length > 0) this.tried = [];
    if (clientAddress === this.#address) return;
    this.#address = clientAddress;
    this.client = hashText(clientAddress);
  }
}

function keyOf(key: HashKey | undefined, head: RequestHead): number {
  if (key === undefined || key.kind === "source-ip") return NO_KEY;
  const name = nameBytes(key.name);
  const found = key.kind === "header" ? head.find(name, RANGE) >= 0 : findCookie(head, name, RANGE);
  return found ? hashBytes(head.bytes, RANGE.start, RANGE.end) : NO_KEY;
}

function nameBytes(name: string): Uint8Array {
  let bytes = NAMES.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(name, "latin1");
    NAMES.set(name, bytes);
  }
  return bytes;
}
