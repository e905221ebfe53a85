/**
 * Foreign words for people's eyes. Annotations, names, tokens and messages of other programs come from tenants, and a
 * terminal obeys some of their characters, reorders by others and shows nothing of many: none of these is printed as it
 * is. Whatever prints goes through one of these functions; what is stored and compared stays as it came.
 */

/**
 * What is no visible character: controls (C0, DEL, C1), formats (directions, zero width, tags), separators of lines and
 * paragraphs, every space but the usual one, what is ignored by default (fillers, variation selectors), the blank of
 * Braille, halves of surrogate pairs, private and unassigned code points.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|[^\P{Zs} ]/gu;

/** How a format writes a character by its number, which is given in hexadecimal digits, at least four. */
type Spelling = (hex: string, character: string) => string;

/** A word or line, all of it visible: `\u009b`, `\u{e0041}` stand for what is not; also for tabs and ends of lines. */
export function visible(text: string): string {
  return spelled(text, (hex) => (hex.length > 4 ? `\\u{${hex}}` : `\\u${hex}`));
}

/** Several lines: their ends stay. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** Whether all of a text is visible. */
export function isVisible(text: string): boolean {
  return text.search(UNSEEN) < 0;
}

/** JSON text that JSON.stringify() made, all of it visible; it means the same. */
export function visibleJson(json: string): string {
  // Outside of strings JSON has nothing but ASCII, and of that no control but the ends of lines.
  return spelledLines(json, (_hex, character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${hexOf(character.charCodeAt(at))}`,
    ).join(""),
  );
}

/** YAML text whose strings with something unseen are in double quotes, all of it visible; it means the same. */
export function visibleYaml(yaml: string): string {
  return spelledLines(yaml, (hex) => (hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex}`));
}

function spelledLines(text: string, spelling: Spelling): string {
  return text
    .split("\n")
    .map((line) => spelled(line, spelling))
    .join("\n");
}

function spelled(text: string, spelling: Spelling): string {
  return text.replaceAll(UNSEEN, (character) =>
    spelling(hexOf(character.codePointAt(0) ?? 0), character),
  );
}

function hexOf(code: number): string {
  return code.toString(16).padStart(4, "0");
}
