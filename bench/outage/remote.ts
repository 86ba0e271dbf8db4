/** Commands by name, each with one argument. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>;

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Within a worker: answers the calls of whoever started it. */
export function answerCalls(commands: Commands): void {
  const scope = self as unknown as {
    onmessage: (message: MessageEvent<Call>) => void;
    postMessage(answer: Answer): void;
  };
  scope.onmessage = async ({ data: { id, name, argument } }) => {
    try {
      scope.postMessage({ id, result: await commands[name]?.(argument as never) });
    } catch (error) {
      scope.postMessage({ id, error: error instanceof Error ? error.stack ?? error.message : String(error) });
    }
  };
}

/** A worker, whose event loop nothing of ours disturbs, and its commands. */
export class Remote<Offered extends Commands> implements Disposable {
  readonly #worker: Worker;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #number = 0;

  constructor(module: URL) {
    this.#worker = new Worker(module, { type: "module" });
    this.#worker.onmessage = ({ data: { id, result, error } }: MessageEvent<Answer>) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Error(error));
    };
  }

  call<Name extends keyof Offered & string>(
    name: Name,
    ...[argument]: Parameters<Offered[Name]>
  ): Promise<Awaited<ReturnType<Offered[Name]>>> {
    const call = Promise.withResolvers<unknown>();
    const id = this.#number++;
    this.#calls.set(id, call);
    this.#worker.postMessage({ id, name, argument } satisfies Call);
    return call.promise as Promise<Awaited<ReturnType<Offered[Name]>>>;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
