import type { Log, LogFields } from "../../src/observe/log.ts";

/** A log that a test can read: `warn Replication is down …`. */
export class LogRecorder implements Log {
  readonly lines: string[] = [];
  readonly debug = (message: string, _fields?: LogFields): void => void this.lines.push(`debug ${message}`);
  readonly info = (message: string, _fields?: LogFields): void => void this.lines.push(`info ${message}`);
  readonly warn = (message: string, _fields?: LogFields): void => void this.lines.push(`warn ${message}`);
  readonly error = (message: string, _fields?: LogFields): void => void this.lines.push(`error ${message}`);

  /** The lines that match, in order. */
  matching(pattern: RegExp): readonly string[] {
    return this.lines.filter((line) => pattern.test(line));
  }
}
