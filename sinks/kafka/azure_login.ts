import type { Mechanism } from "kafkajs";
import { SinkError } from "../../src/sink/sink_error.ts";
import { brokersOf } from "./broker_list.ts";
import type { KafkaOptions } from "./config.ts";
import { tokenLogin } from "./sasl.ts";

/** What of `@azure/identity` is used. */
export interface AzureCredential {
  getToken(scope: string): Promise<{ readonly token: string } | null>;
}

type AzureOptions = Pick<KafkaOptions, "brokerList" | "tenantId" | "clientId" | "clientSecret" | "scope">;

/**
 * Logs in to Azure Event Hubs by a token of Microsoft Entra ID: of the client that the options name, else of whatever
 * identity the environment offers. Its library, which is large, is loaded for the first login; it keeps a token until
 * that nears its end.
 */
export function azureLogin(
  options: AzureOptions,
  openCredential: (options: AzureOptions) => Promise<AzureCredential> = azureCredential,
): Mechanism {
  let credential: Promise<AzureCredential> | undefined;
  return tokenLogin(async () => {
    const scope = azureScope(options);
    try {
      credential ??= openCredential(options);
      const answer = await (await credential).getToken(scope);
      if (answer) return answer.token;
    } catch (error) {
      throw refusal(error, scope);
    }
    throw new SinkError("retryable", `Cannot get a token for ${scope}: there was none`);
  });
}

/** Of the namespace, without the port. */
export function azureScope({ brokerList, scope }: Pick<AzureOptions, "brokerList" | "scope">): string {
  const [host = ""] = brokersOf(brokerList)[0]?.split(":") ?? [];
  return scope ?? `https://${host}/.default`;
}

async function azureCredential({ tenantId, clientId, clientSecret }: AzureOptions): Promise<AzureCredential> {
  const { ClientSecretCredential, DefaultAzureCredential } = await import("@azure/identity");
  if (tenantId !== undefined && clientId !== undefined && clientSecret !== undefined) {
    return new ClientSecretCredential(tenantId, clientId, clientSecret);
  }
  return new DefaultAzureCredential({
    ...(clientId !== undefined && { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
    ...(tenantId !== undefined && { tenantId }),
  });
}

/** The library's messages have many lines, of which the first says what is the matter. */
function refusal(error: unknown, scope: string): SinkError {
  const { message, statusCode } = error as { readonly message?: string; readonly statusCode?: number };
  const isRefused = statusCode !== undefined && statusCode >= 400 && statusCode < 500 && statusCode !== 429;
  const [line = ""] = String(message).split("\n");
  return new SinkError(isRefused ? "fatal" : "retryable", `Cannot get a token for ${scope}: ${line}`, {
    cause: error,
  });
}
