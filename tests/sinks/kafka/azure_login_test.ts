import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { AuthenticationProviderArgs } from "kafkajs";
import { isEventHubs } from "../../../sinks/kafka/config.ts";
import { azureLogin, azureScope } from "../../../sinks/kafka/azure_login.ts";
import { brokersOf } from "../../../sinks/kafka/broker_list.ts";
import { failureOf } from "../../support/sink_conformance.ts";

const OPTIONS = { brokerList: "ns.servicebus.windows.net" };

/** What a login sends first. */
async function firstMessage(login: ReturnType<typeof azureLogin>): Promise<string> {
  let sent = "";
  const saslAuthenticate = ({ request }: { request: { encode(): Buffer } }) => {
    sent = String(request.encode().subarray(4));
    return Promise.resolve("");
  };
  const args = { saslAuthenticate } as unknown as AuthenticationProviderArgs;
  await login.authenticationProvider(args).authenticate();
  return sent;
}

Deno.test("a broker without a port is reached at 9093", () => {
  assert.deepEqual(brokersOf("a, b:9092 ,c"), ["a:9093", "b:9092", "c:9093"]);
});

Deno.test("the scope of a namespace has no port", () => {
  assert.equal(azureScope(OPTIONS), "https://ns.servicebus.windows.net/.default");
  assert.equal(azureScope({ brokerList: "ns.servicebus.windows.net:9093" }), azureScope(OPTIONS));
  assert.equal(azureScope({ ...OPTIONS, scope: "api://other/.default" }), "api://other/.default");
});

Deno.test("brokers of Azure Event Hubs are known by their name", () => {
  assert(isEventHubs("ns.servicebus.windows.net:9093"));
  assert(isEventHubs("NS.servicebus.windows.net, other"));
  assert(!isEventHubs("servicebus.windows.net.example.com"));
  assert(!isEventHubs("kafka.example.com"));
});

Deno.test("a token of Microsoft Entra ID is asked for at each login, by one credential", async () => {
  let opened = 0;
  const scopes: string[] = [];
  const login = azureLogin(OPTIONS, async () => {
    opened++;
    return {
      getToken: async (scope) => {
        scopes.push(scope);
        return { token: `token-${scopes.length}` };
      },
    };
  });
  assert.equal(await firstMessage(login), "n,,\x01auth=Bearer token-1\x01\x01");
  assert.equal(await firstMessage(login), "n,,\x01auth=Bearer token-2\x01\x01");
  assert.equal(opened, 1);
  assert.deepEqual(scopes, Array(2).fill("https://ns.servicebus.windows.net/.default"));
});

Deno.test("a refusal by Microsoft Entra ID is final, an outage is not", async () => {
  const failures: [object, string][] = [
    [{ message: "AADSTS7000215: Invalid client secret\nTrace ID: x", statusCode: 401 }, "fatal"],
    [{ message: "busy", statusCode: 429 }, "retryable"],
    [{ message: "network_error" }, "retryable"],
  ];
  for (const [failure, kind] of failures) {
    const login = azureLogin(OPTIONS, async () => ({ getToken: () => Promise.reject(failure) }));
    const error = await failureOf(firstMessage(login));
    assert.equal(error.kind, kind);
    assert.match(
      error.message,
      /^Cannot get a token for https:\/\/ns\.servicebus\.windows\.net\/\.default: [^\n]+$/,
    );
  }
});
