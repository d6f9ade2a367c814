/**
 * One way to look a step's result up. Candidates come cheapest first: by the identity of the inputs, then by their content.
 * `inputs` names every part of the key (`command`, `base`, `file src/main.js`, …), so that a miss can be explained.
 */
export interface CacheKey {
  readonly key: string;
  readonly inputs: Readonly<Record<string, string>>;
}
