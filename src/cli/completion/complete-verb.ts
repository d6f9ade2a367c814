/** The verb that completion scripts call; it is in no list and in no help. */
export const COMPLETE_VERB = '__complete';
