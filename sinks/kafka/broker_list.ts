const DEFAULT_PORT = 9093;

/** `one, two:9092` → `one:9093` and `two:9092`. */
export function brokersOf(brokerList: string): string[] {
  return brokerList.split(",").map((broker) => {
    const name = broker.trim();
    return name.includes(":") ? name : `${name}:${DEFAULT_PORT}`;
  });
}
