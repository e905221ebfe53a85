/** What was applied last, by the word of the live object itself. Pure. */

/** Where `kubectl apply` keeps it. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
/** Who applies on the server's side with `kubectl apply --server-side`; there is no such annotation then. */
const MANAGER = "kubectl";

/**
 * The fields of a live object that the last `kubectl apply` set: what is not applied again goes away. undefined when
 * the object was not made by kubectl apply: then nothing goes.
 */
export function appliedForm(live: unknown): unknown {
  const metadata = isRecord(live) && isRecord(live["metadata"]) ? live["metadata"] : {};
  const annotations = isRecord(metadata["annotations"]) ? metadata["annotations"] : {};
  const text = annotations[LAST_APPLIED];
  if (typeof text === "string") return parsed(text);
  const managed = Array.isArray(metadata["managedFields"]) ? metadata["managedFields"] : [];
  const ours: unknown = managed.find(
    (one: unknown) =>
      isRecord(one) &&
      one["manager"] === MANAGER &&
      one["operation"] === "Apply" &&
      (one["subresource"] ?? "") === "",
  );
  return isRecord(ours) ? owned(ours["fieldsV1"], live) : undefined;
}

/** Whether a value of JSON is an object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Somebody has edited the annotation: then it says nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The part of a value that a set of fields names (FieldsV1: `f:` and a field's name, `k:` and the key of a list's
 * item, `v:` and an item itself, `.` for the thing as such; nothing below = all of it).
 */
function owned(fields: unknown, live: unknown): unknown {
  if (!isRecord(fields) || Object.keys(fields).length === 0) return live;
  if (isRecord(live))
    return Object.fromEntries(
      Object.entries(fields).flatMap(([key, below]) => {
        const name = key.startsWith("f:") ? key.slice(2) : "";
        return name !== "" && Object.hasOwn(live, name) ? [[name, owned(below, live[name])]] : [];
      }),
    );
  return Array.isArray(live) ? ownedItems(fields, live) : live;
}

function ownedItems(
  fields: Readonly<Record<string, unknown>>,
  live: readonly unknown[],
): readonly unknown[] {
  return Object.entries(fields).flatMap(([key, below]) => {
    const wanted = parsed(key.slice(2));
    if (key.startsWith("v:")) return live.filter((item) => item === wanted);
    if (!key.startsWith("k:") || !isRecord(wanted)) return [];
    return live
      .filter((item) => isRecord(item) && Object.entries(wanted).every(([k, v]) => item[k] === v))
      .map((item) => owned(below, item));
  });
}
