import { DeadLetterFile } from "./deliver/dead_letter_file.ts";
import type { SinkSettings } from "./deliver/sink_settings.ts";
import { messageOf } from "./observe/message_of.ts";
import { openStore } from "./open_store.ts";
import { checkSource } from "./postgres/replication/check_source.ts";
import type { ReplicationSettings } from "./postgres/replication/replication_settings.ts";
import type { Setup } from "./setup.ts";
import { unroutedSinks } from "./unrouted_sinks.ts";

/** How long the database and each sink get, in milliseconds. */
const PATIENCE = 20_000;

/** Something that stands in the way of routing, or will, as a line for people. */
export interface Trouble {
  /** A warning does not keep the router from starting. */
  readonly severity: "problem" | "warning";
  readonly text: string;
}

/**
 * Looks at the database and reaches every sink, all at once. Changes nothing in the database and sends no event; a sink
 * may make what it needs when it is connected, such as its file.
 */
export async function check(setup: Setup, signal: AbortSignal): Promise<readonly Trouble[]> {
  const unrouted = unroutedSinks(setup).map((name): Trouble => ({
    severity: "warning",
    text: `Sink ${name}: no route leads to it, so it gets no events. Add one to events.config.eventRoutes.`,
  }));
  const troubles = await Promise.all([
    checkDatabase(setup.replication, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])),
    ...setup.sinks.map((sink) => checkSink(sink, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]))),
    checkStore(setup),
    checkDeadLetters(setup.configuration.deadLetterFile),
  ]);
  return [...troubles.flat(), ...unrouted];
}

async function checkDatabase(
  settings: ReplicationSettings,
  signal: AbortSignal,
): Promise<readonly Trouble[]> {
  try {
    const findings = await checkSource(settings, signal);
    return findings.map(({ severity, problem, remedy }) => ({
      severity: severity === "warning" ? "warning" : "problem",
      text: `Database: ${problem}. ${remedy}`,
    }));
  } catch (error) {
    return [{ severity: "problem", text: `Database: ${messageOf(error)}` }];
  }
}

async function checkSink({ name, sink }: SinkSettings, signal: AbortSignal): Promise<readonly Trouble[]> {
  try {
    await using connecting = sink;
    await connecting.connect(signal);
    return [];
  } catch (error) {
    return [{ severity: "problem", text: `Sink ${name}: ${messageOf(error)}` }];
  }
}

/** Where dead letters have a file, the router does without a store. */
async function checkStore(setup: Setup): Promise<readonly Trouble[]> {
  const severity = setup.configuration.deadLetterFile === undefined ? "problem" : "warning";
  try {
    await using store = openStore(setup);
    const refusal = await store.refusal();
    return refusal ? [{ severity, text: refusal.message }] : [];
  } catch {
    return []; // The database's own trouble, which is told.
  }
}

async function checkDeadLetters(path: string | undefined): Promise<readonly Trouble[]> {
  if (path === undefined) return [];
  try {
    await new DeadLetterFile(path).probe();
    return [];
  } catch (error) {
    return [{ severity: "problem", text: messageOf(error) }];
  }
}
