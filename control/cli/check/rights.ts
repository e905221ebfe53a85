/** What the user must be allowed for `nodemesh install | kubectl apply -f -`: read off the objects themselves. Pure. */

import type { Manifest } from "../../../deploy/manifests/meta.ts";
import { listField, textField } from "../cluster.ts";

/** One question to the API server's authorizer (SelfSubjectAccessReview). */
export interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  /** Empty: none. */
  readonly subresource: string;
  /** undefined: in the whole cluster. */
  readonly namespace: string | undefined;
  /** undefined: whatever its name. */
  readonly name: string | undefined;
}

/** A role or a binding: the API server lets only those make it who may give its rights away. */
export interface Grant {
  /** The object as the operator would name it. */
  readonly object: string;
  /** Enough by itself: `escalate` for roles, `bind` for bindings. */
  readonly enough: Right;
  /** Else all of these: whoever has a right may give it. */
  readonly given: readonly Right[];
}

const RBAC = "rbac.authorization.k8s.io";

/** `kubectl apply` reads an object, then makes or changes it. A `create` can't be asked by name. */
export function applyRights(objects: readonly Manifest[]): readonly Right[] {
  return objects.flatMap(({ apiVersion, kind, metadata }) =>
    ["get", "create", "patch"].map((verb) => ({
      verb,
      group: apiVersion.includes("/") ? apiVersion.replace(/\/.*/, "") : "",
      resource: `${kind.toLowerCase()}s`,
      subresource: "",
      namespace: metadata.namespace,
      name: verb === "create" ? undefined : metadata.name,
    })),
  );
}

/** What roles and bindings ask for beyond that. */
export function grants(objects: readonly Manifest[]): readonly Grant[] {
  return objects.flatMap((object) => {
    const { kind, metadata } = object;
    const title = `${kind.toLowerCase()}/${metadata.name}`;
    if (kind === "Role" || kind === "ClusterRole")
      return [{ object: title, enough: onRole("escalate", object), given: givenBy(object) }];
    if (kind !== "RoleBinding" && kind !== "ClusterRoleBinding") return [];
    const [wanted, name] = [
      textField(object, "roleRef", "kind"),
      textField(object, "roleRef", "name"),
    ];
    const role = objects.find((one) => one.kind === wanted && one.metadata.name === name);
    if (role === undefined) return [];
    return [{ object: title, enough: onRole("bind", role), given: givenBy(role) }];
  });
}

function onRole(verb: "escalate" | "bind", { kind, metadata }: Manifest): Right {
  const resource = `${kind.toLowerCase()}s`;
  const { namespace, name } = metadata;
  return { verb, group: RBAC, resource, subresource: "", namespace, name };
}

function givenBy(role: Manifest): readonly Right[] {
  const { namespace } = role.metadata;
  return listField(role, "rules").flatMap((rule) => {
    const [groups, resources] = [listField(rule, "apiGroups"), listField(rule, "resources")];
    const names = listField(rule, "resourceNames").map(String);
    return groups.flatMap((group) =>
      resources.flatMap((whole) =>
        listField(rule, "verbs").flatMap((verb) => {
          const [resource = "", subresource = ""] = String(whole).split("/");
          const base = {
            verb: String(verb),
            group: String(group),
            resource,
            subresource,
            namespace,
          };
          return (names.length === 0 ? [undefined] : names).map((name) => ({ ...base, name }));
        }),
      ),
    );
  });
}

/** The thing that a right is about, for people. */
export function thingOf({ group, resource, subresource, namespace, name }: Right): string {
  const what = [resource, ...(group === "" ? [] : [group])].join(".");
  const sub = subresource === "" ? "" : `/${subresource}`;
  const which = name === undefined ? "" : ` ${name}`;
  return `${what}${sub}${which}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
}
