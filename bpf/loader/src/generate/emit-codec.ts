import { type FieldShape, type Shape, type StructShape, sizeOf } from "./shapes.ts";

/** Arrays up to this many numbers are written out one by one. */
const UNROLLED = 16;

/** Which 64-bit fields the user wants as numbers: `struct.field` in C's or TypeScript's spelling of the type. */
export type AsNumber = (struct: StructShape, field: FieldShape) => boolean;

/** Interface and codec of one struct. */
export function emitStruct(struct: StructShape, asNumber: AsNumber): string {
  const fields = struct.fields.map((field) => {
    const type = asNumber(struct, field) ? "number" : typeOf(field.shape, field.bits);
    return `  readonly ${field.property}: ${type};\n`;
  });
  const decoded = struct.fields.map((field) => {
    const value = decodeField(struct, field);
    return `    ${field.property}: ${asNumber(struct, field) ? `Number(${value})` : value},\n`;
  });
  return `${partCodecs(struct)}/** \`${struct.origin}\`, ${struct.size} bytes. */
export interface ${struct.name} {
${fields.join("")}}

/** Layout of \`${struct.origin}\`. */
export const ${struct.name}Codec: Codec<${struct.name}> = {
  size: ${struct.size},
  encode(value, view, at) {
${[
  ...zeroGaps(struct),
  ...struct.fields.flatMap((field) => encodeField(struct, field, asNumber(struct, field))),
]
  .map((line) => `    ${line}\n`)
  .join("")}  },
  decode: (view, at) => ({
${decoded.join("")}  }),
};
`;
}

/** The TypeScript type of a shape. */
export function typeOf(shape: Shape, bits = 0): string {
  switch (shape.kind) {
    case "int":
      return shape.size === 8 && (bits === 0 || bits > 32) ? "bigint" : "number";
    case "bool":
      return "boolean";
    case "float":
      return "number";
    case "bytes":
      return "Uint8Array";
    case "array":
      return `readonly ${bracket(typeOf(shape.element))}[]`;
    case "struct":
      return shape.struct.name;
  }
}

function bracket(type: string): string {
  return type.includes(" ") ? `(${type})` : type;
}

/** An expression for the codec of a shape, for maps whose keys or values are no structs. */
export function codecOf(shape: Shape): string {
  switch (shape.kind) {
    case "int":
      return `${shape.signed ? "i" : "u"}${shape.size * 8}`;
    case "bool":
      return "bool";
    case "float":
      return shape.size === 4 ? "f32" : "f64";
    case "bytes":
      return `bytes(${shape.size})`;
    case "array":
      return `array(${codecOf(shape.element)}, ${shape.length})`;
    case "struct":
      return `${shape.struct.name}Codec`;
  }
}

/** DataView's name for a number. */
function accessor(shape: Extract<Shape, { kind: "int" | "float" }>): string {
  if (shape.kind === "float") return `Float${shape.size * 8}`;
  const big = shape.size === 8 ? "Big" : "";
  return `${big}${shape.signed ? "Int" : "Uint"}${shape.size * 8}`;
}

function place(offset: number): string {
  return offset === 0 ? "at" : `at + ${offset}`;
}

/** Codecs of a struct's arrays and bytes, made once and not with each value. */
function partCodecs(struct: StructShape): string {
  return struct.fields
    .filter(({ shape }) => shape.kind === "bytes" || shape.kind === "array")
    .map((field) => `const ${partName(struct, field)} = ${codecOf(field.shape)};\n`)
    .concat("")
    .join("");
}

function partName(struct: StructShape, field: FieldShape): string {
  return `${struct.name}_${field.property}`;
}

function encodeField(struct: StructShape, field: FieldShape, fromNumber: boolean): string[] {
  const value = `value.${field.property}`;
  if (field.bits > 0) {
    return [`writeBits(view, at * 8 + ${field.bitOffset}, ${field.bits}, BigInt(${value}));`];
  }
  return [encodeShape(struct, field, fromNumber ? `BigInt(${value})` : value)];
}

function encodeShape(struct: StructShape, field: FieldShape, value: string): string {
  const { shape, offset } = field;
  switch (shape.kind) {
    case "int":
    case "float": {
      const order = sizeOf(shape) === 1 ? "" : ", true";
      return `view.set${accessor(shape)}(${place(offset)}, ${value}${order});`;
    }
    case "bool":
      return `view.setUint8(${place(offset)}, ${value} ? 1 : 0);`;
    case "struct":
      return `${shape.struct.name}Codec.encode(${value}, view, ${place(offset)});`;
    case "bytes":
    case "array":
      return `${partName(struct, field)}.encode(${value}, view, ${place(offset)});`;
  }
}

function decodeField(struct: StructShape, field: FieldShape): string {
  const { shape, offset } = field;
  if (field.bits === 0) {
    const simple = shape.kind !== "bytes" && shape.kind !== "array";
    return simple
      ? decodeSimple(shape, offset)
      : (unrolled(shape, offset) ?? `${partName(struct, field)}.decode(view, ${place(offset)})`);
  }
  const signed = field.shape.kind === "int" && field.shape.signed;
  const bits = `readBits(view, at * 8 + ${field.bitOffset}, ${field.bits}, ${signed})`;
  if (field.shape.kind === "bool") return `${bits} !== 0n`;
  return typeOf(field.shape, field.bits) === "bigint" ? bits : `Number(${bits})`;
}

type SimpleShape = Exclude<Shape, { kind: "bytes" | "array" }>;

function decodeSimple(shape: SimpleShape, offset: number): string {
  switch (shape.kind) {
    case "int":
    case "float":
      return `view.get${accessor(shape)}(${place(offset)}${sizeOf(shape) === 1 ? "" : ", true"})`;
    case "bool":
      return `view.getUint8(${place(offset)}) !== 0`;
    case "struct":
      return `${shape.struct.name}Codec.decode(view, ${place(offset)})`;
  }
}

/** A short array of simple elements as a literal. */
function unrolled(shape: Shape, offset: number): string | undefined {
  if (shape.kind !== "array" || shape.length > UNROLLED) return undefined;
  const { element, length } = shape;
  if (element.kind === "bytes" || element.kind === "array") return undefined;
  const step = sizeOf(element);
  const parts = Array.from({ length }, (_, i) => decodeSimple(element, offset + i * step));
  return `[${parts.join(", ")}]`;
}

/** Zeroes whatever no field writes: padding must compare equal in a map's key; bit fields are or-ed in. */
function zeroGaps(struct: StructShape): string[] {
  const written = new Uint8Array(struct.size);
  for (const field of struct.fields)
    if (field.bits === 0) written.fill(1, field.offset, field.offset + sizeOf(field.shape));
  const lines: string[] = [];
  for (let at = 0; at < struct.size; ) {
    if (written[at] === 1) {
      at++;
      continue;
    }
    const free = written.indexOf(1, at);
    const room = (free < 0 ? struct.size : free) - at;
    const size = room >= 4 ? 4 : room >= 2 ? 2 : 1;
    lines.push(`view.setUint${size * 8}(${place(at)}, 0${size === 1 ? "" : ", true"});`);
    at += size;
  }
  return lines;
}
