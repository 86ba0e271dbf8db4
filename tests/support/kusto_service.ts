import assert from "node:assert/strict";
import type { SinkErrorKind } from "../../src/sink/sink_error.ts";
import type { AzuriteServer } from "./azurite_server.ts";
import { KustoDatabase, KustoProblem, type KustoRow } from "./kusto_database.ts";
import { gunzip, KustoStorage } from "./kusto_storage.ts";
import { until } from "./until.ts";

/**
 * What can be disturbed: what either address tells of its cloud, commands to them, streamed rows, tokens, and storage,
 * which is real.
 */
export type KustoWay = "metadata" | "engine" | "service" | "stream" | "token" | "blob" | "queue";

/** What a request gets instead of what it asks for. */
export type KustoFault =
  | number
  | {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly error?: Record<string, unknown>;
  }
  /** Answered, or cut off, when this resolves. */
  | { readonly after: Promise<unknown> };

const REFUSALS: Readonly<Record<SinkErrorKind, Parameters<typeof refusal>>> = {
  retryable: [503],
  rejected: [400, { "@type": "Kusto.DataNode.Exceptions.StreamingIngestionException", "@permanent": true }],
  fatal: [403],
};

export const SECRET = "pa55w0rd";

/** What tokens are for, as the cluster tells: all clusters of Azure's public cloud tell this. */
export const RESOURCE = "https://kusto.kusto.windows.net";

/**
 * Azure Data Explorer as clients see it: its two addresses, with the commands that ingestion needs, streaming ingestion,
 * and a directory that gives tokens. Of queued ingestion the storage is Azurite's, reached through a proxy, so that it
 * can be disturbed. Everything that a client says is checked, and whatever is not expected fails the test at its end.
 */
export class KustoService implements AsyncDisposable {
  readonly database = new KustoDatabase();
  /** Every command, in order. */
  readonly commands: string[] = [];
  /** Messages that told of blobs. */
  readonly messages: Record<string, unknown>[] = [];
  /** How many requests each way saw. */
  readonly requests: Record<KustoWay, number> = {
    metadata: 0,
    engine: 0,
    service: 0,
    stream: 0,
    token: 0,
    blob: 0,
    queue: 0,
  };
  /** How a request is refused whose lines hold one of these. */
  readonly refused = new Map<string, SinkErrorKind>();
  /** Whether the principal may make tables and mappings. */
  mayCreate = true;
  /** Whether the application's secret, and tokens that it gave, count no more. */
  revoked = false;

  readonly #storage: KustoStorage | undefined;
  readonly #ports = new Map<string, number>();
  readonly #servers = new Map<string, { server: Deno.HttpServer; stop: AbortController }>();
  readonly #script = new Map<KustoWay, KustoFault[]>();
  readonly #tokens = new Map<string, string>();
  #failure: unknown;

  private constructor(storage: KustoStorage | undefined) {
    this.#storage = storage;
    this.start();
  }

  /** Without Azurite, nothing can be queued. */
  static async open(azurite?: AzuriteServer): Promise<KustoService> {
    return new KustoService(azurite && await KustoStorage.open(azurite));
  }

  /** Options of a sink that ends here. */
  get options(): Record<string, unknown> {
    return {
      ingestionUri: this.#url("service"),
      clusterUri: this.#url("engine"),
      database: "Twin history",
      auth: {
        type: "clientSecret",
        tenantId: "tenant-1",
        clientId: "twinrouter",
        clientSecret: SECRET,
        authorityHost: this.#url("token"),
      },
    };
  }

  /** Serves again, at the same addresses. */
  start(): void {
    for (const role of ["engine", "service", "token", "storage"]) {
      const stop = new AbortController();
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: this.#ports.get(role) ?? 0, signal: stop.signal, onListen() {} },
        (request) => this.#answer(role, request),
      );
      this.#ports.set(role, server.addr.port);
      this.#servers.set(role, { server, stop });
    }
  }

  /** Cuts every connection, and takes no more. */
  async stop(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    for (const { stop } of servers) stop.abort();
    await Promise.all(servers.map(({ server }) => server.finished));
  }

  /** Answers the next requests on this way with these, one each. */
  fail(way: KustoWay, ...faults: KustoFault[]): void {
    this.#script.set(way, [...this.#script.get(way) ?? [], ...faults]);
  }

  /** Resolves once so many requests have come on this way. */
  async seen(way: KustoWay, count: number): Promise<void> {
    await until(
      () => this.requests[way] >= count,
      () => `${count} requests (${way}); ${this.requests[way]} came`,
    );
  }

  /** A token that a client can have without asking for it. */
  giveToken(): string {
    const token = `given-${this.#tokens.size}`;
    this.#tokens.set(token, "*");
    return token;
  }

  /** A table's rows, after everything that was queued has been ingested. */
  async rows(table: string): Promise<readonly KustoRow[]> {
    await this.ingestQueued();
    return this.database.tables.get(table)?.rows ?? [];
  }

  async values(table: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.rows(table)).map(({ values }) => values);
  }

  /** Does what the service does with messages: gets the blobs that they tell of, and adds their rows. */
  async ingestQueued(): Promise<void> {
    for await (const { message, text } of this.#storage?.queued() ?? []) {
      this.messages.push(message);
      const { DatabaseName, TableName, RawDataSize } = message;
      const properties = message["AdditionalProperties"] as Record<string, string>;
      assert.equal(DatabaseName, "Twin history");
      assert.equal(properties.authorizationContext, "who-i-am");
      assert.equal(properties.format, "json");
      assert.equal(RawDataSize, new TextEncoder().encode(text).length);
      const { ingestionMapping: inline, ingestionMappingReference: reference } = properties;
      assert((inline === undefined) !== (reference === undefined), "either a mapping or its name");
      this.database.ingest(
        String(TableName),
        text,
        inline === undefined ? { reference: reference ?? "" } : { inline },
      );
    }
  }

  /** Throws whatever clients did that was not expected. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#failure) throw this.#failure;
  }

  #url(role: string): string {
    return `http://127.0.0.1:${this.#ports.get(role)}`;
  }

  async #answer(role: string, request: Request): Promise<Response> {
    try {
      const url = new URL(request.url);
      const way = wayOf(role, url);
      // First of all, because a connection whose request has not been read cannot be cut.
      const body = await request.bytes();
      this.requests[way]++;
      const fault = this.#script.get(way)?.shift();
      if (typeof fault === "number") return refusal(fault);
      if (fault && "status" in fault) return refusal(fault.status, fault.error, fault.headers);
      if (fault) {
        const { server } = this.#servers.get(role) ?? {};
        await fault.after;
        if (server !== this.#servers.get(role)?.server) return refusal(503); // it was stopped meanwhile
      }
      return await this.#serve(way, request, url, body);
    } catch (error) {
      if (error instanceof KustoProblem && error.type !== "Syntax") {
        return refusal(400, { "@type": `Kusto.${error.type}`, "@message": error.message });
      }
      // The client may be gone meanwhile, which is no mistake.
      if (!request.signal.aborted) this.#failure ??= error;
      return refusal(500);
    }
  }

  async #serve(way: KustoWay, request: Request, url: URL, body: Uint8Array<ArrayBuffer>): Promise<Response> {
    switch (way) {
      case "token":
        return this.#giveToken(url, new TextDecoder().decode(body));
      case "metadata":
        return Response.json({
          AzureAD: {
            LoginEndpoint: "https://login.microsoftonline.com",
            LoginMfaRequired: false,
            KustoServiceResourceId: RESOURCE,
          },
        });
      case "blob":
      case "queue":
        if (request.signal.aborted) return refusal(499);
        assert(this.#storage, "there is no storage");
        return await this.#storage.forward(way, request, url, body);
    }
    assert.equal(request.method, "POST");
    assert.match(request.headers.get("x-ms-app") ?? "", /^twinrouter\//);
    assert.equal(request.headers.get("x-ms-user"), null, "the name of an account is nobody's business");
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const scope = this.#tokens.get(token);
    if (scope === undefined || this.revoked) return refusal(401);
    assert(scope === "*" || scope === `${RESOURCE}/.default`, `a token for ${scope}`);
    if (way === "stream") return await this.#stream(request, url, body);
    return this.#command(way, JSON.parse(new TextDecoder().decode(body)));
  }

  #giveToken(url: URL, body: string): Response {
    const form = new URLSearchParams(body);
    assert.equal(url.pathname, "/tenant-1/oauth2/v2.0/token");
    assert.equal(form.get("grant_type"), "client_credentials");
    assert.equal(form.get("client_id"), "twinrouter");
    if (form.get("client_secret") !== SECRET || this.revoked) {
      return Response.json({ error: "invalid_client" }, { status: 401 });
    }
    const token = crypto.randomUUID();
    this.#tokens.set(token, form.get("scope") ?? "");
    return Response.json({ token_type: "Bearer", expires_in: 3599, access_token: token });
  }

  #command(way: "engine" | "service", body: Record<string, unknown>): Response {
    const { db, csl, ...others } = body;
    assert(typeof csl === "string", "a command is text");
    assert.deepEqual(others, {});
    this.commands.push(csl);
    if (way === "service") {
      assert.equal(db, "NetDefaultDB");
      if (csl === ".get kusto identity token") return table({ AuthorizationContext: ["who-i-am"] });
      assert.equal(csl, ".get ingestion resources");
      const resources = this.#storage?.resources(this.#url("storage")) ?? [];
      return table({
        ResourceTypeName: resources.map(([type]) => type),
        StorageRoot: resources.map(([, root]) => root),
      });
    }
    assert.equal(db, "Twin history");
    if (!this.mayCreate) {
      return refusal(403, { "@message": "Principal 'aadapp=1' is not authorized to do that." });
    }
    this.database.command(csl);
    return table({ TableName: ["made"] });
  }

  async #stream(request: Request, url: URL, body: Uint8Array<ArrayBuffer>): Promise<Response> {
    const [, database = "", name = ""] = /^\/v1\/rest\/ingest\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
    assert.equal(decodeURIComponent(database), "Twin history");
    const { streamFormat, mappingName = "", ...others } = Object.fromEntries(url.searchParams);
    assert.equal(streamFormat?.toLowerCase(), "json");
    assert.deepEqual(others, {});
    assert.equal(request.headers.get("content-encoding"), "gzip");
    const text = await gunzip(body);
    assert(new TextEncoder().encode(text).length <= 4 * 1024 * 1024, "more than a request may have");
    const [, kind] = [...this.refused].find(([part]) => text.includes(part)) ?? [];
    if (kind !== undefined) return refusal(...REFUSALS[kind]);
    this.database.ingest(decodeURIComponent(name), text, { reference: mappingName });
    return table({ ConsumedRecordsCount: ["1"] });
  }
}

function wayOf(role: string, { pathname }: URL): KustoWay {
  if (role === "storage") return pathname.startsWith("/blob/") ? "blob" : "queue";
  if (pathname === "/v1/rest/auth/metadata") return "metadata";
  if (role === "engine" && pathname.startsWith("/v1/rest/ingest/")) return "stream";
  return role as KustoWay;
}

function table(columns: Record<string, readonly string[]>): Response {
  const names = Object.keys(columns);
  const rows = Object.values(columns)[0]?.map((_, index) => names.map((name) => columns[name]?.[index])) ??
    [];
  const Columns = names.map((ColumnName) => ({ ColumnName, DataType: "String", ColumnType: "string" }));
  return Response.json({ Tables: [{ TableName: "Table_0", Columns, Rows: rows }] });
}

function refusal(
  status: number,
  error: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Response {
  return Response.json({ error: { code: "Refused", "@permanent": status < 500, ...error } }, {
    status,
    headers,
  });
}
