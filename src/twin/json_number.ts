/**
 * Whether two JSON numbers have the same value, however they are written and however many digits they have: `22`,
 * `22.0` and `2.2e1` have, 9007199254740993 and 9007199254740992 have not.
 */
export function sameNumber(a: string, b: string): boolean {
  // Equal values give equal doubles, so that only those need a closer look.
  return Number(a) === Number(b) && canonical(a) === canonical(b);
}

/** One notation for each value: `-` if negative, digits without zeros at either end, and the power of ten before them. */
function canonical(number: string): string {
  const [mantissa = "", exponent = "0"] = number.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const all = whole + fraction;
  let begin = 0;
  while (all[begin] === "0") begin++;
  if (begin === all.length) return "0";
  let end = all.length;
  while (all[end - 1] === "0") end--;
  const power = BigInt(exponent.replace("+", "")) + BigInt(whole.length - begin);
  return `${mantissa.startsWith("-") ? "-" : ""}0.${all.slice(begin, end)}e${power}`;
}
