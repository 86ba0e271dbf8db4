/** Of whatever a filter matches, the attribute is one of the texts. */
export interface Requirement {
  readonly attribute: string;
  readonly texts: readonly string[];
}

/** What is required where each of several terms has to hold; undefined for a term that requires nothing plain to see. */
export function requiredByAll(terms: readonly (Requirement | undefined)[]): Requirement | undefined {
  const requirements = terms.filter((requirement) => requirement !== undefined);
  // Of types there are few.
  return requirements.find(({ attribute }) => attribute !== "type") ?? requirements[0];
}

/** What is required where one of several terms has to hold. */
export function requiredByAny(terms: readonly (Requirement | undefined)[]): Requirement | undefined {
  const attribute = terms[0]?.attribute;
  const isShared = terms.every((requirement) => requirement?.attribute === attribute);
  if (attribute === undefined || !isShared) return undefined;
  return { attribute, texts: terms.flatMap((requirement) => requirement?.texts ?? []) };
}
