import { type HistoryBodies, member, relationshipName, twinOf } from "./history_bodies.ts";
import { modelOf } from "./model_of.ts";

/**
 * Data history by the columns of the tables that Azure Digital Twins keeps it in. What it sends there itself is not
 * published; this is how AgeDigitalTwins fills the same tables.
 * @see https://learn.microsoft.com/azure/digital-twins/concepts-data-history#data-schema
 */
export const adtHistory: HistoryBodies = {
  lifecycle(change, body, action, { source, time }) {
    const rest = `"action":"${action}","timeStamp":"${time}","serviceId":${JSON.stringify(source)}`;
    const id = JSON.stringify(change.id);
    if (change.entity !== "relationship") {
      return `{"twinId":${id},${rest},"modelId":${modelOf(body) ?? null}}`;
    }
    return `{"relationshipId":${id},${rest},"name":${relationshipName(change, body)},` +
      `"source":${JSON.stringify(change.sourceId)},"target":${body.get("$targetId") ?? null}}`;
  },

  properties(change, _before, after, { source, time, trackLastUpdatedBy }) {
    const begin = `{"timeStamp":"${time}"`;
    const whose = `,"serviceId":${JSON.stringify(source)},"id":${JSON.stringify(twinOf(change))}` +
      `,"modelId":${modelOf(after) ?? null},"key":`;
    const relationship = `,"relationshipTarget":${after.get("$targetId") ?? null}` +
      `,"relationshipId":${change.entity === "relationship" ? JSON.stringify(change.id) : null}`;
    return ({ path, before, after, sourceTime, lastUpdatedBy }) => {
      const action = !before ? "Create" : after ? "Update" : "Delete";
      return `${begin}${member("sourceTimeStamp", sourceTime)}${whose}${JSON.stringify(path.join("."))}` +
        `,"value":${after ?? null}${relationship},"action":"${action}"` +
        `${trackLastUpdatedBy ? member("updatedBy", lastUpdatedBy) : ""}}`;
    };
  },
};
