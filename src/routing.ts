import { createHash } from "node:crypto";
import { OWN_DIALECT } from "./event/dialect.ts";
import type { EventFactory, Happening } from "./event/event_factory.ts";
import { type Restriction, type Route, type RoutedEvent, Router } from "./route/router.ts";
import { Models } from "./twin/models.ts";

/** The routes in force, and the models as far as a route asks for them. */
export class Routing {
  /** Current while they are wanted and known. */
  readonly models = new Models();
  #routes: readonly Route[];
  #factory: EventFactory | undefined;
  #router: Router | undefined;
  #wantsModels: boolean;
  #knowsModels = false;

  constructor(routes: readonly Route[]) {
    this.#routes = routes;
    this.#wantsModels = asksForModels(routes);
  }

  get wantsTelemetry(): boolean {
    return this.#routes.some(({ format }) => format === "Telemetry");
  }

  get wantsModels(): boolean {
    return this.#wantsModels;
  }

  /** The models are to be read before the next change is routed. */
  get lacksModels(): boolean {
    return this.#wantsModels && !this.#knowsModels;
  }

  /** The type that a gap has on the route of this name. */
  gapTypeOf(route: string): string {
    const { dialect = OWN_DIALECT } = this.#routes.find(({ name }) => name === route) ?? {};
    return dialect.types.Gap;
  }

  /** Differs when the routes do. */
  get digest(): string {
    const text = JSON.stringify(this.#routes, (_, value) => typeof value === "bigint" ? `${value}` : value);
    return createHash("sha256").update(text).digest("base64url");
  }

  /** Somebody beside the routes asks for them. */
  wantModels(): void {
    this.#wantsModels = true;
  }

  /** They have been read, and are to be kept current. */
  knowModels(): void {
    this.#knowsModels = true;
  }

  /** Whether it is known of which database events tell. */
  get isReady(): boolean {
    return this.#factory !== undefined;
  }

  /** From now on events can be made; once. */
  begin(factory: EventFactory): void {
    this.#factory = factory;
    this.#router = new Router(this.#routes, factory, this.models);
  }

  /** From now on these routes count, and no others. */
  become(routes: readonly Route[]): void {
    this.#routes = routes;
    this.#wantsModels = asksForModels(routes);
    this.#knowsModels &&= this.#wantsModels;
    if (this.#factory) this.#router = new Router(routes, this.#factory, this.models);
  }

  /** Appends to `out` the events that somebody gets; none before it has begun. */
  route(change: Happening, out: { push(event: RoutedEvent): unknown }, restriction?: Restriction): void {
    this.#router?.route(change, out, restriction);
  }
}

function asksForModels(routes: readonly Route[]): boolean {
  return routes.some(({ format, filter }) => format === "DataHistory" || filter?.asksForModels);
}
