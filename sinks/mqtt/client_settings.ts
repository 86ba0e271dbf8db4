import { hostname } from "node:os";
import { resolve } from "node:path";
import type { IClientOptions } from "mqtt";
import type { SinkContext } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { BrokerAddress } from "./broker_address.ts";
import type { MqttOptions } from "./config.ts";
import type { Login } from "./credentials.ts";

/** What the router says of itself at its statusTopic. */
export const STATUS = { online: "online", offline: "offline" } as const;

const VERSIONS = { "3.1.0": 3, "3.1.1": 4, "5.0.0": 5 } as const;
const IN_FLIGHT = 1000;
/**
 * Mosquitto's `max_inflight_messages`. What is beyond it, it drops with a PUBREC whose reason code, 0x97, only MQTT 5
 * has room for; to others it looks like success.
 */
const SAFE_IN_FLIGHT = 20;
/** MQTT 3.1 allows no more; later versions take as many anywhere. */
const CLIENT_ID_LENGTH = 23;

/** Whether a connection begins without what the last one left unfinished. */
export function isClean({ cleanSession, qos, protocolVersion }: MqttOptions): boolean {
  return cleanSession ?? !(qos === 2 && protocolVersion !== "3.1.0");
}

/** Events under way at once, as far as it is the router's to say. */
export function maxInFlight({ maxInFlight, qos, protocolVersion }: MqttOptions): number {
  return maxInFlight ?? (qos === 2 && protocolVersion !== "5.0.0" ? SAFE_IN_FLIGHT : IN_FLIGHT);
}

/**
 * The client identifier. One made from the sink's name and the machine's, for a session that is kept; else one that no
 * other router has, so that none drives out another.
 */
export async function clientId(options: MqttOptions, { name }: SinkContext): Promise<string> {
  if (options.clientId !== undefined) return options.clientId;
  const distinct = isClean(options) ? crypto.randomUUID() : hostname();
  const text = new TextEncoder().encode(`${name}\n${distinct}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return `twinrouter${digest.toHex()}`.slice(0, CLIENT_ID_LENGTH);
}

/** What mqtt.js is told for one connection. Reads the certificates, which may have been renewed. */
export async function clientSettings(
  options: MqttOptions,
  address: BrokerAddress,
  baseDirectory: string,
  connection: { readonly clientId: string; readonly login: Login; readonly clean: boolean },
): Promise<IClientOptions> {
  const { protocol, host, port, path } = address;
  const isMqtt5 = options.protocolVersion === "5.0.0";
  const isWebSocket = protocol === "ws" || protocol === "wss";
  const expiry = seconds(sessionExpiry(options));
  return {
    protocol,
    host: isWebSocket && host.includes(":") ? `[${host}]` : host,
    port,
    ...(isWebSocket && { path }),
    ...await tlsSettings(options, baseDirectory),
    protocolId: options.protocolVersion === "3.1.0" ? "MQIsdp" : "MQTT",
    protocolVersion: VERSIONS[options.protocolVersion],
    ...connection.login,
    clientId: connection.clientId,
    clean: connection.clean,
    keepalive: seconds(options.keepAlive),
    ...(isMqtt5 && expiry > 0 && { properties: { sessionExpiryInterval: expiry } }),
    ...(options.statusTopic !== undefined && {
      will: {
        topic: options.statusTopic,
        payload: STATUS.offline as unknown as Buffer,
        qos: 1,
        retain: true,
        ...(isMqtt5 && { properties: { willDelayInterval: seconds(options.willDelay) } }),
      },
    }),
  };
}

/** A session has to outlive the will's delay, or the will is sent at the session's end. */
function sessionExpiry(options: MqttOptions): number {
  const delay = options.statusTopic === undefined ? 0 : options.willDelay;
  return isClean(options) ? delay : Math.max(options.sessionExpiry, delay);
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}

async function tlsSettings(
  options: MqttOptions,
  baseDirectory: string,
): Promise<Pick<IClientOptions, "ca" | "cert" | "key">> {
  const settings: Pick<IClientOptions, "ca" | "cert" | "key"> = {};
  for (const [setting, option] of [["ca", "caFile"], ["cert", "certFile"], ["key", "keyFile"]] as const) {
    const path = options[option];
    if (path === undefined) continue;
    const absolute = resolve(baseDirectory, path);
    try {
      settings[setting] = await Deno.readTextFile(absolute);
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      throw new SinkError("fatal", `Cannot read ${option} ${absolute}: ${reason}`, { cause: error });
    }
  }
  return settings;
}
