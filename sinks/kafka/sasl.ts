import { Buffer } from "node:buffer";
import type { AuthenticationProviderArgs, Authenticator, Mechanism } from "kafkajs";
import plain from "kafkajs/src/broker/saslAuthenticator/plain.js";
import scram256 from "kafkajs/src/broker/saslAuthenticator/scram256.js";
import scram512 from "kafkajs/src/broker/saslAuthenticator/scram512.js";
import { SinkError } from "../../src/sink/sink_error.ts";

export type PasswordMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

const PROVIDERS = { PLAIN: plain, "SCRAM-SHA-256": scram256, "SCRAM-SHA-512": scram512 } as const;

/**
 * Logs in by a password as kafkajs does, except that a connection which fails meanwhile does not count as a wrong
 * password.
 */
export function passwordLogin(mechanism: PasswordMechanism, username: string, password: string): Mechanism {
  return {
    mechanism,
    authenticationProvider: (args) => {
      let failure: unknown;
      const saslAuthenticate: AuthenticationProviderArgs["saslAuthenticate"] = async (step) => {
        try {
          return await args.saslAuthenticate(step);
        } catch (error) {
          failure = error;
          throw error;
        }
      };
      const inner: Authenticator = PROVIDERS[mechanism]({ username, password })({
        ...args,
        saslAuthenticate,
      });
      return {
        authenticate: () => inner.authenticate().catch((error: unknown) => Promise.reject(failure ?? error)),
      };
    },
  };
}

const SEPARATOR = "\x01";

/**
 * Logs in by a token (RFC 7628). A broker that refuses one answers with the reason, as no error yet, and waits for a
 * word before it says so; kafkajs takes that for a login.
 */
export function tokenLogin(token: () => Promise<string>): Mechanism {
  return {
    mechanism: "OAUTHBEARER",
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const first = `n,,${SEPARATOR}auth=Bearer ${await token()}${SEPARATOR}${SEPARATOR}`;
        const answer = await saslAuthenticate({ request: sized(first), response: AS_IT_IS });
        if (!answer || answer.length === 0) return;
        await saslAuthenticate({ request: sized(SEPARATOR), response: AS_IT_IS });
        throw new SinkError("fatal", `Cannot log in to Kafka: the token was refused (${answer})`);
      },
    }),
  };
}

/** As mechanisms are sent: a length and the bytes. */
function sized(text: string) {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return { encode: () => Buffer.concat([length, bytes]) };
}

const AS_IT_IS = {
  decode: (bytes: Buffer) => bytes,
  parse: (bytes: Buffer) => bytes.subarray(4).toString(),
};
