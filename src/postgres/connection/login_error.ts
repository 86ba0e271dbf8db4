/**
 * A login that cannot be gone through with as both sides are configured: the server wants a password, a method or a
 * channel binding that there is not. What the server itself refuses is a `ServerError`.
 */
export class LoginError extends Error {
  override readonly name = "LoginError";
}
