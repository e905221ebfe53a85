/**
 * client-node's types name the package ws, whose own types are not among our dependencies. Control opens no
 * WebSocket: the names are enough.
 */
declare module "ws" {
  /** A connection; what it can do does not matter here. */
  export class WebSocket {
    private readonly opaque: unknown;
  }
  /** A listener, likewise. */
  export class WebSocketServer {
    private readonly opaque: unknown;
  }
  /** Options, likewise. */
  export interface ClientOptions {
    readonly headers?: Record<string, string>;
  }
}
