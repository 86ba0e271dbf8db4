/** What stands for the graph's name in the configured event source. */
const GRAPH = "{graph}";

/** The event source of a router that has none configured. */
export function defaultEventSource(host: string, database: string): string {
  const authority = host.includes(":") ? `[${host}]` : encodeURIComponent(host);
  return `postgresql://${authority}/${encodeURIComponent(database)}/${GRAPH}`;
}

/** The event source of a graph, by the configured template. */
export function eventSourceOf(template: string, graph: string): string {
  return template.replaceAll(GRAPH, encodeURIComponent(graph));
}
