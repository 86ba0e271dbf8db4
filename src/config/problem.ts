/** Keys and list indexes from the top of the configuration: `["events", "config", "eventRoutes", 0]`. */
export type Path = readonly (string | number)[];

/** One mistake in a configuration. Its text never shows the value of a secret. */
export interface Problem {
  readonly file: string;
  /** 1-based; 0 when the file as a whole is meant. */
  readonly line: number;
  /** 1-based; 0 when the file as a whole is meant. */
  readonly column: number;
  /** As people write it: `events.config.eventSinks.webhook[0].url`; empty when nothing narrower than the file is meant. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with the value at a path, before its place in the file is looked up. */
export interface Mistake {
  readonly path: Path;
  readonly message: string;
  /** Whether the key itself is meant, or what it stands for. */
  readonly where: "key" | "value";
}

/** 1-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Everything that is wrong with a configuration, in the order of its lines. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const sorted = inOrder(problems);
    super(sorted.map(formatProblem).join("\n"), options);
    this.problems = sorted;
  }

  /** One line for each problem. */
  override toString(): string {
    return this.message;
  }
}

/** `events.yaml:12:9 events.config.eventSinks.webhook[0].ur: unknown key; did you mean url?` */
export function formatProblem({ file, line, column, path, message }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return path === "" ? `${place}: ${message}` : `${place} ${path}: ${message}`;
}

/** `eventSinks.webhook[0].url`; a key that is no plain word is quoted, so that no key can disturb a terminal. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w$-]{1,64}$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${quoted(step)}]`;
  }
  return text;
}

/** What a file says, in single quotes, short and without control characters. */
export function quoted(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  // deno-lint-ignore no-control-regex
  return `'${short.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "�")}'`;
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const distinct = new Map(problems.map((problem) => [formatProblem(problem), problem]));
  return [...distinct.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}
