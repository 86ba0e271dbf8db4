/** What stands for the graph's name in the configured event source. */
const GRAPH = "{graph}";

/** The event source of a router that has none configured. */
export function defaultEventSource(host: string, database: string): string {
  const authority = host.includes(":") ? `[${host}]` : encodeURIComponent(host);
  return `postgresql://${authority}/${encodeURIComponent(database)}/${GRAPH}`;
}

/** What of `https://user@host/path` is the host. */
const WEB_HOST = /^https?:\/\/(?:[^/?#]*@)?([^/?#]+)/i;

/** An event source as Azure Digital Twins writes its own, `<host>`; one that is no web address stays as it is. */
export function bareHostOf(source: string): string {
  return WEB_HOST.exec(source)?.[1] ?? source;
}

/** The event source of a graph, by the configured template. */
export function eventSourceOf(template: string, graph: string): string {
  return template.replaceAll(GRAPH, encodeURIComponent(graph));
}
