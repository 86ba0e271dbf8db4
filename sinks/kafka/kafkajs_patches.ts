import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import v3 from "kafkajs/src/protocol/requests/produce/v3/response.js";
import v4 from "kafkajs/src/protocol/requests/produce/v4/response.js";
import v5 from "kafkajs/src/protocol/requests/produce/v5/response.js";
import v6 from "kafkajs/src/protocol/requests/produce/v6/response.js";
import v7 from "kafkajs/src/protocol/requests/produce/v7/response.js";

/**
 * Two faults of kafkajs 2.2.4 that nothing but its own modules can be cured of. The version is pinned, and tests show
 * both faults to be gone.
 */
export function patchKafkajs(): void {
  if (isPatched) return;
  isPatched = true;

  // Once a connection has been used, its queue looks every millisecond whether a request waits, for ever.
  const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: { readonly pending: unknown[] }) {
    if (this.pending.length > 0) schedule.call(this);
  };

  // A refusal by one partition is thrown as if it were the whole request's, and hides what the others have written. As
  // it is now, `send` gives every partition's own `errorCode`.
  for (const response of [v3, v4, v5, v6, v7]) response.parse = (data: unknown) => Promise.resolve(data);
}

let isPatched = false;
