declare module 'unbzip2-stream' {
  /** Decodes in `write` and `end`, synchronously, and emits `data` and `error`. */
  function unbzip2Stream(): {
    write(bytes: Uint8Array): boolean;
    end(): void;
    on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
    on(event: 'error', listener: (error: Error) => void): unknown;
  };
  export = unbzip2Stream;
}
