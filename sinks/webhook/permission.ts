/** What a far end's answer to the validation request says about deliveries from this sender. */
export type Permission =
  /** Requests a minute, at most; Infinity where it sets no limit. */
  | { readonly kind: "granted"; readonly perMinute: number }
  /** It takes part in the handshake and allows somebody else. */
  | { readonly kind: "denied" }
  /** It says nothing: it may know nothing of the handshake, or not want events. */
  | { readonly kind: "none" };

/**
 * The headers of the validation request; `WebHook-Request-Origin` is sent with every delivery too. There is no
 * `WebHook-Request-Callback`: the router has no address that the far end could call.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#41-validation-request
 */
export function permissionRequest(origin: string, perMinute: number | undefined): Record<string, string> {
  return {
    "webhook-request-origin": origin,
    ...(perMinute !== undefined && { "webhook-request-rate": String(perMinute) }),
  };
}

/** Section 4.2: the headers alone tell; a status is no consent. */
export function permissionOf(answer: Headers, origin: string): Permission {
  const allowed = answer.get("webhook-allowed-origin")?.trim().toLowerCase();
  if (!allowed) return { kind: "none" };
  if (allowed !== "*" && allowed !== origin.toLowerCase()) return { kind: "denied" };
  const rate = answer.get("webhook-allowed-rate")?.trim() ?? "*";
  return { kind: "granted", perMinute: /^0*[1-9]\d*$/.test(rate) ? Number(rate) : Infinity };
}
