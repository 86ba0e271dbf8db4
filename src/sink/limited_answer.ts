/** An answer of whose body so many bytes can be read at most; reading on then fails, and the connection goes. */
export function limitedAnswer(response: Response, bytes: number): Response {
  if (!response.body) return response;
  let left = bytes;
  const limit = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      left -= chunk.length;
      if (left < 0) controller.error(new Error(`the answer is longer than ${bytes} bytes`));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(limit), { status, statusText, headers });
}
