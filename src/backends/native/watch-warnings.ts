export { type WatchedContext, watchWarnings } from '../watch-warnings.ts';
