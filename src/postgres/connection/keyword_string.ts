import { ConnectionStringError, type Setting } from "./connection_keywords.ts";

/**
 * Reads libpq's `keyword = value …`: values end at a space, or stand in single quotes; a backslash takes what follows
 * it as it is.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 */
export function parseKeywordString(text: string): readonly Setting[] {
  const settings: Setting[] = [];
  const setting = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:(?!')(?:[^\s\\]|\\.)+)?))(?=\s|$)/gsy;
  while (text.slice(setting.lastIndex).trim() !== "") {
    const match = setting.exec(text);
    if (!match) {
      const place = settings.length === 0 ? "it" : `what follows setting ${settings.length}`;
      throw new ConnectionStringError(`${place} is neither a postgres:// URL nor of the form keyword=value`);
    }
    settings.push([match[1] ?? "", (match[2] ?? match[3] ?? "").replace(/\\(.)/gs, "$1")]);
  }
  return settings;
}
