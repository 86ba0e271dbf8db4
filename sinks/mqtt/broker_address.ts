import type { MqttOptions } from "./config.ts";

/** Where a broker listens, and how it is spoken to there. */
export interface BrokerAddress {
  readonly protocol: "mqtt" | "mqtts" | "ws" | "wss";
  readonly host: string;
  readonly port: number;
  /** Of a WebSocket. */
  readonly path: string;
  /** All of it, for messages. */
  readonly url: string;
}

const PORTS = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const;
/** Registered for MQTT over TLS. */
const TLS_PORT = 8883;

type AddressOptions = Pick<MqttOptions, "broker" | "port" | "tls" | "caFile" | "certFile">;

/** What broker, port and TLS say together. */
export function brokerAddress(
  { broker, port: ownPort, tls, caFile, certFile }: AddressOptions,
): BrokerAddress {
  const url = broker.includes("://") ? new URL(broker) : undefined;
  const port = ownPort ?? (url?.port ? Number(url.port) : undefined);
  const secure = tls ?? ((caFile ?? certFile) !== undefined || port === TLS_PORT);
  const protocol = protocolOf(url?.protocol, secure);
  const host = (url?.hostname ?? broker).replace(/^\[|\]$/g, "");
  const shownHost = host.includes(":") ? `[${host}]` : host;
  const actualPort = port ?? PORTS[protocol];
  const path = url && protocol.startsWith("ws") ? (url.pathname || "/") + url.search : "";
  return {
    protocol,
    host,
    port: actualPort,
    path,
    url: `${protocol}://${shownHost}:${actualPort}`,
  };
}

function protocolOf(scheme: string | undefined, secure: boolean): BrokerAddress["protocol"] {
  switch (scheme) {
    case "ws:":
      return "ws";
    case "wss:":
      return "wss";
    case "mqtts:":
      return "mqtts";
    default:
      return secure ? "mqtts" : "mqtt";
  }
}
