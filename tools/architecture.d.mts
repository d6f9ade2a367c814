export declare const PURE: readonly string[];
