import { getLogger, type Logger } from "@logtape/logtape";

/** Fields of a log record; never a row's or an event's values. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Tells of life-cycle and surprises; normal operation after start is silent. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** The log of one component, such as `postgres` or `sink.Hook`. Silent until the program configures LogTape. */
export function logOf(component: string): Log {
  const logger: Logger = getLogger(["twinrouter", component]);
  return {
    debug: (message, fields = {}) => logger.debug(message, fields),
    info: (message, fields = {}) => logger.info(message, fields),
    warn: (message, fields = {}) => logger.warn(message, fields),
    error: (message, fields = {}) => logger.error(message, fields),
  };
}
