import type { SourceRange } from '../../core/index.ts';

/** HCL's syntax tree (hcl/hclsyntax/spec.md), with the place of every part. */
export interface Body {
  readonly attributes: readonly Attribute[];
  readonly blocks: readonly Block[];
}

/** `name = value` */
export interface Attribute {
  readonly name: string;
  readonly value: Expression;
  readonly range: SourceRange;
}

/** `kind "label" { … }` */
export interface Block {
  readonly kind: string;
  readonly labels: readonly string[];
  readonly body: Body;
  /** Of kind and labels. */
  readonly range: SourceRange;
}

export type Expression = { readonly range: SourceRange } & (
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'template'; readonly parts: readonly TemplatePart[] }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'object'; readonly items: ReadonlyArray<{ readonly key: Expression; readonly value: Expression }> }
  | { readonly kind: 'for'; readonly loop: ForLoop }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly spread: boolean }
  | { readonly kind: 'index'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  /** `of[*].…`: `each` is evaluated with the item as the variable `SPLAT_ITEM`. */
  | { readonly kind: 'splat'; readonly of: Expression; readonly each: Expression }
  | { readonly kind: 'unary'; readonly operator: '!' | '-'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'conditional';
      readonly condition: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
);

export type BinaryOperator = '||' | '&&' | '==' | '!=' | '<' | '>' | '<=' | '>=' | '+' | '-' | '*' | '/' | '%';

/** `[for key, value in of : result if condition]`, or with `{…}` and `key => result`. */
export interface ForLoop {
  readonly key: string | undefined;
  readonly value: string;
  readonly of: Expression;
  /** Present for `{ for … : resultKey => result }`. */
  readonly resultKey: Expression | undefined;
  readonly result: Expression;
  /** `result...`: values of the same key are gathered in a list. */
  readonly grouped: boolean;
  readonly condition: Expression | undefined;
}

/** A piece of a quoted template or heredoc. */
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly then: readonly TemplatePart[];
      readonly otherwise: readonly TemplatePart[];
    }
  | {
      readonly kind: 'for';
      readonly key: string | undefined;
      readonly value: string;
      readonly of: Expression;
      readonly body: readonly TemplatePart[];
    };

/** The name of the item in `each` of a splat; no variable can be called that. */
export const SPLAT_ITEM = '[*]';
