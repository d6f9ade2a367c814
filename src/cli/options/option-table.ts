/** What a shell offers after an option or as an argument. */
export type CompletionHint = 'file' | 'directory' | 'image' | 'stage' | 'none';

interface OptionBase {
  /** One letter, without the dash. */
  readonly short?: string;
  /** One sentence without a full stop; the first words say what the option does. */
  readonly help: string;
}

/** `--name`, `--name=true`, `--name=false`. Never takes the next word. */
export interface BooleanOption extends OptionBase {
  readonly kind: 'boolean';
}

/** One value; the last one given wins. */
export interface TextOption extends OptionBase {
  readonly kind: 'text';
  /** How the value is called in help, such as `FILE`. */
  readonly placeholder: string;
  /** For help only: a command applies its defaults itself. */
  readonly defaultText?: string;
  /** The value that the option has when it stands alone; such an option never takes the next word (`--pull`). */
  readonly bare?: string;
  /** The only values allowed. */
  readonly choices?: readonly string[];
  readonly complete?: CompletionHint;
}

/** May be repeated; every value is kept, in order. */
export interface ListOption extends OptionBase {
  readonly kind: 'list';
  readonly placeholder: string;
  readonly complete?: CompletionHint;
}

/** A whole number of 1 or more. */
export interface CountOption extends OptionBase {
  readonly kind: 'count';
  readonly placeholder: string;
  readonly defaultText?: string;
}

/** An option of docker's that cannot be honoured: giving it is an error, never ignored. */
export interface RefusedOption extends OptionBase {
  readonly kind: 'refused';
  /** Whether docker's option takes a value. */
  readonly takesValue: boolean;
  /** Values that ask for what happens anyway, such as `false` for `--provenance`. */
  readonly accepts?: readonly string[];
  /** Why it cannot be honoured, or what to use instead. One sentence, without a full stop. */
  readonly help: string;
}

/** One option of a command. */
export type OptionSpec = BooleanOption | TextOption | ListOption | CountOption | RefusedOption;

/** The options of a command by long name, in the order of its help. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S extends BooleanOption
  ? boolean
  : S extends TextOption
    ? string | undefined
    : S extends ListOption
      ? readonly string[]
      : S extends CountOption
        ? number | undefined
        : undefined;

/** What was given for every option of a table; a boolean that was not given is false. */
export type OptionValues<T extends OptionTable> = { readonly [Name in keyof T]: ValueOf<T[Name]> };

/** Every command understands this one. */
export const HELP_OPTION: BooleanOption = { kind: 'boolean', short: 'h', help: 'Show this help' };
