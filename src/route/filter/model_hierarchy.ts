/** Which models extend which. */
export interface ModelHierarchy {
  /** Whether a model is `ancestor` or extends it, directly or not; asked for each event, as models change. */
  isOfModel(model: string, ancestor: string): boolean;
}

/** Where nothing is known of models: each is only itself. */
export const noHierarchy: ModelHierarchy = {
  isOfModel: (model, ancestor) => model === ancestor,
};
