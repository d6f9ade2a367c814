declare const ZLAYER_VERSION: string | undefined;

/** The version of this package, put in by the bundler; from source it is `0.0.0-source`. */
export const VERSION: string = typeof ZLAYER_VERSION === 'string' ? ZLAYER_VERSION : '0.0.0-source';
