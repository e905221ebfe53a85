/**
 * Refusals without exceptions: the first fault of a call wins and stays until the next call. Readers go on
 * with zeros after a fault, so every loop also has a bound of its own.
 */
let message: string = "";

/** Notes why the input is refused; later faults of the same call are ignored. */
export function fail(text: string): void {
  if (message.length == 0) message = text;
}

/** True once something was refused. */
export function hasFault(): bool {
  return message.length != 0;
}

/** Why, for people. */
export function faultMessage(): string {
  return message;
}

/** Starts a new call. */
export function clearFault(): void {
  message = "";
}
