import assert from "node:assert/strict";
import { test } from "node:test";
import { installObjects } from "../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../deploy/manifests/options.ts";
import { INSTALLED_KINDS } from "./kinds.ts";

test("the kinds that are asked for are those that install makes", () => {
  const made = installObjects(parseOptions({})).map(({ apiVersion, kind, metadata }) => {
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    assert.match(version, /^v1$/);
    return `${group}/${kind.toLowerCase()}s ${metadata.namespace !== undefined}`;
  });
  const asked = INSTALLED_KINDS.map((one) => `${one.group}/${one.resource} ${one.namespaced}`);
  assert.deepEqual(new Set(asked), new Set(made));
});
