/** The image `nodemesh/sleep`: does nothing until it is told to stop. A home for `sim exec`. */

process.once("SIGTERM", () => clearInterval(idle));
const idle: NodeJS.Timeout = setInterval(() => undefined, 1 << 30);
