import assert from "node:assert/strict";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import { cloudEvents } from "../../support/cloud_events.ts";
import { STREAM } from "../../support/dispatch_all.ts";
import { hasKafka } from "../../support/kafka_binaries.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaServer } from "../../support/kafka_server.ts";
import { kafkaSink } from "../../support/kafka_sink.ts";
import { createTopics } from "../../support/kafka_topics.ts";
import { deliver } from "../../support/sink_conformance.ts";

const NEVER = new AbortController().signal;

/** What the documentation says that a sink needs, beside the login. */
const ALLOWED = [
  ["TOPIC", "twins", "WRITE"],
  ["TRANSACTIONAL_ID", "twinrouter/7/age_slot/Kafka", "WRITE"],
  ["TOPIC", "twinrouter-positions", "READ"],
  ["TOPIC", "twinrouter-positions", "WRITE"],
  ["TOPIC", "twinrouter-positions", "CREATE"],
] as const;

Deno.test({
  name: "kafka needs no more permissions than the documentation says",
  ignore: !hasKafka(),
  fn: async () => {
    await using server = await KafkaServer.start({
      settings: { "allow.everyone.if.no.acl.found": "false" },
    });
    await createTopics(server.client(), ["twins"]);
    const admin = server.client().admin();
    await admin.connect();
    await admin.createAcls({
      acl: ALLOWED.map(([resource, resourceName, operation]) => ({
        resourceType: AclResourceTypes[resource],
        resourceName,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: `User:${KAFKA_USER.saslUsername}`,
        host: "*",
        operation: AclOperationTypes[operation],
        permissionType: AclPermissionTypes.ALLOW,
      })),
    });
    await admin.disconnect();
    for (const delivery of ["at-least-once", "exactly-once"]) {
      await using sink = kafkaSink({
        brokerList: server.address("SASL_PLAINTEXT"),
        topic: "twins",
        securityProtocol: "SASL_PLAINTEXT",
        saslMechanism: "PLAIN",
        ...KAFKA_USER,
        delivery,
      });
      await sink.connect(NEVER, { stream: STREAM });
      assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
    }
  },
});
