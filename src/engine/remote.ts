/** The engine's third door: sources that lie elsewhere. It is loaded when a request names one. */

export { fetchContext } from './sources/fetch-context.ts';
export { fetchGit } from './sources/fetch-git.ts';
export { fetchHttp } from './sources/fetch-http.ts';
