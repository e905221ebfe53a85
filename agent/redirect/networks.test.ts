import assert from "node:assert/strict";
import { test } from "node:test";
import { NETWORK_MESH, NETWORK_OTHER, NETWORK_OWN, NETWORK_SHARE } from "../kernel/layout.gen.ts";
import type { FoundRoute } from "../kernel/routes.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";
import { knownNetworks, meshDevice } from "./networks.ts";

const LO = 1;
const ETH0 = 2;
const NET1 = 3;

function assigned(index: number, address: string) {
  return { index, address, family: address.includes(":") ? AF_INET6 : AF_INET } as const;
}

function route(destination: string, deviceIndex?: number, priority = 0): FoundRoute {
  const family = destination.includes(":") ? AF_INET6 : AF_INET;
  const device = deviceIndex === undefined ? {} : { deviceIndex };
  return { family, destination, type: 1, table: 254, priority, ...device };
}

const ADDRESSES = [
  assigned(LO, "127.0.0.1/8"),
  assigned(ETH0, "10.1.0.2/24"),
  assigned(ETH0, "fd00::2/64"),
  assigned(ETH0, "fe80::2/64"),
];
const ROUTES = [route("default", ETH0), route("10.1.0.0/24", ETH0), route("fe80::/64", NET1)];

test("the mesh's interface is the one that has all of the pod's addresses", () => {
  assert.equal(meshDevice(ADDRESSES, ["10.1.0.2", "fd00::2"]), ETH0);
  assert.equal(meshDevice(ADDRESSES, ["10.1.0.2"]), ETH0);
  assert.equal(meshDevice(ADDRESSES, ["10.9.9.9"]), 0);
  assert.equal(meshDevice(ADDRESSES, ["127.0.0.1"]), 0);
  const apart = [...ADDRESSES, assigned(NET1, "fd01::2/64")];
  assert.equal(meshDevice(apart, ["10.1.0.2", "fd01::2"]), 0);
});

test("a pod with the mesh's interface alone needs to know nothing, also one of which nothing is known", () => {
  assert.deepEqual(knownNetworks({ addresses: ADDRESSES, routes: ROUTES }, ETH0), []);
  const routes = [...ROUTES, route("192.168.7.0/24", NET1)];
  assert.deepEqual(knownNetworks({ addresses: ADDRESSES, routes }, 0), []);
});

test("with another interface all routes count, the better one of two to one destination", () => {
  const addresses = [...ADDRESSES, assigned(NET1, "192.168.7.1/24"), assigned(NET1, "fe80::7/64")];
  const routes = [
    ...ROUTES,
    route("192.168.7.0/24", NET1),
    route("10.5.0.0/16", NET1, 200),
    route("10.5.0.0/16", ETH0, 100),
    route("10.6.0.0/16", NET1, 100),
    route("10.6.0.0/16", ETH0, 200),
    // Of several next hops at once: no interface.
    route("10.7.0.0/16"),
    { ...route("10.8.0.0/16", NET1), type: 6 },
  ];
  const known = knownNetworks({ addresses, routes }, ETH0);
  assert.deepEqual(known, [
    ["0.0.0.0/0", NETWORK_MESH],
    ["10.1.0.0/24", NETWORK_MESH],
    ["192.168.7.0/24", NETWORK_OTHER],
    ["10.5.0.0/16", NETWORK_MESH],
    ["10.6.0.0/16", NETWORK_OTHER],
    ["10.7.0.0/16", NETWORK_MESH],
    ["192.168.7.1", NETWORK_OWN],
  ]);
});

test("more than the share is not half known", () => {
  const routes = Array.from({ length: NETWORK_SHARE + 1 }, (_, i) => route(`10.${i}.0.0/16`, NET1));
  const few = knownNetworks({ addresses: ADDRESSES, routes: routes.slice(1) }, ETH0);
  assert.equal(few.length, NETWORK_SHARE);
  assert.equal(knownNetworks({ addresses: ADDRESSES, routes }, ETH0), "too-many");
});
