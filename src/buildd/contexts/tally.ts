/** Bytes that work in progress has reserved: they lie where nothing else counts them. */
export interface Tally {
  readonly bytes: number;
  /** Counts what is reserved for one piece of work until it ends. */
  begin(): { readonly reserve: (bytes: number) => void; readonly end: () => void };
}

export function createTally(reserve: (bytes: number) => void): Tally {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    begin: () => {
      let own = 0;
      return {
        reserve: (more) => {
          reserve(more);
          own += more;
          bytes += more;
        },
        end: () => {
          bytes -= own;
        },
      };
    },
  };
}
