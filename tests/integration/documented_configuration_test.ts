import assert from "node:assert/strict";
import { AzuriteServer, hasAzurite } from "../support/azurite_server.ts";
import { hasKafka } from "../support/kafka_binaries.ts";
import { KafkaServer } from "../support/kafka_server.ts";
import { createTopics, readEvents } from "../support/kafka_topics.ts";
import { KustoService } from "../support/kusto_service.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { MosquittoServer } from "../support/mosquitto_server.ts";
import { MqttReader } from "../support/mqtt_reader.ts";
import { inRepository } from "../support/repository.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TOKEN_CLIENT, TokenServer } from "../support/token_server.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";

/**
 * The configuration that AgeDigitalTwins' documentation begins with, as it stands there; below, addresses and logins are
 * put in, and nothing else is changed.
 */
const DOCUMENTED = {
  kafka: [{
    name: "KafkaSink",
    brokerList: "your-eventhub-namespace.servicebus.windows.net",
    topic: "your-eventhub-name",
    saslMechanism: "OAUTHBEARER",
  }],
  kusto: [{
    name: "AdxSink",
    ingestionUri: "https://ingest-your-cluster.region.kusto.windows.net",
    database: "your-database",
  }],
  mqtt: [{
    name: "MqttSink",
    broker: "your-mqtt-broker-host",
    port: 1883,
    topic: "digitaltwins/events",
    clientId: "agedt-client",
    username: "your-username",
    password: "your-password",
  }],
};

function essence({ type, source, subject, data }: Readonly<Record<string, unknown>>) {
  return { type, source, subject, data };
}

Deno.test({
  name: "the documented configuration routes events to Kafka, Azure Data Explorer and MQTT at once",
  ignore: !hasKafka() || !hasMosquitto() || !await hasAzurite(),
  async fn() {
    await using database = await TwinDatabase.open();
    await using folder = await TemporaryFolder.make();
    await using tokens = await TokenServer.start();
    await using kafka = await KafkaServer.start({ tokens });
    await using azurite = await AzuriteServer.start();
    await using kusto = await KustoService.open(azurite);
    const login = { username: "your-username", password: "your-password" };
    await using mosquitto = await MosquittoServer.start({ passwords: { [login.username]: login.password } });
    await using reader = await MqttReader.subscribe({ port: mosquitto.port, ...login });
    const topic = "your-eventhub-name";
    await createTopics(kafka.client(), [topic]);

    const { kafka: [kafkaSink], kusto: [kustoSink], mqtt: [mqttSink] } = DOCUMENTED;
    const { tokenUrl: tokenEndpoint } = tokens;
    const caFile = inRepository("tests/fixtures/tls/ca.crt");
    const brokerList = kafka.address("SASL_SSL", "localhost");
    await using router = await RouterProcess.start(folder.path, {
      eventSource: "https://your-adt-instance/",
      source: { connectionString: database.server.connectionString },
      eventSinks: {
        kafka: [{ ...kafkaSink, brokerList, tokenEndpoint, ...TOKEN_CLIENT, caFile }],
        kusto: [{ ...kustoSink, ...kusto.options }],
        mqtt: [{ ...mqttSink, broker: "127.0.0.1", port: mosquitto.port }],
      },
    });
    await router.untilReadyIs(200);
    const twin = `{"$dtId": "myTwinId", "$metadata": {"$model": "dtmi:example:Room;1"}, "Temperature": 21.5}`;
    await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${twin})`;
    await database.untilConfirmed();

    const expected = {
      type: "Konnektr.DigitalTwins.Twin.Create",
      source: "https://your-adt-instance/",
      subject: "myTwinId",
      data: JSON.parse(twin),
    };
    const [record] = await readEvents(kafka.client(), [topic]);
    assert.deepEqual(essence({ ...record?.attributes, data: JSON.parse(record?.data ?? "") }), expected);

    await until(() => reader.messages.length >= 1, "the message by MQTT");
    const [message] = reader.messages;
    assert.equal(message?.topic, "digitaltwins/events");
    assert.equal(message?.properties?.contentType, "application/cloudevents+json; charset=utf-8");
    assert.deepEqual(essence(JSON.parse(message?.payload ?? "")), expected);

    const [created] = await kusto.values("AdtTwinLifeCycleEvents");
    assert.equal(created?.TwinId, "myTwinId");
    assert.equal(created?.Action, "Create");
    const [property] = await kusto.values("AdtPropertyEvents");
    assert.equal(property?.Key, "Temperature");
    assert.equal(property?.Value, 21.5);
    assert.equal(await router.stop(), 0);
  },
});
