/** How a machine's programs look, with the instructions of one that does nothing but end with `TRIAL_STATUS`. */
interface Machine {
  /** `e_machine` of ELF. */
  readonly id: number;
  readonly bits: 32 | 64;
  readonly bigEndian?: true;
  /** `e_flags` of ELF. */
  readonly flags?: number;
  readonly code: string;
}

/** The exit status of a trial program: that of no shell that takes it for a script. */
export const TRIAL_STATUS = 42;

/** By Go's names of architectures. The code is hexadecimal, in the machine's order of bytes. */
const MACHINES: Readonly<Record<string, Machine>> = {
  amd64: { id: 62, bits: 64, code: 'bf2a000000b83c0000000f05' },
  '386': { id: 3, bits: 32, code: 'bb2a000000b801000000cd80' },
  arm64: { id: 183, bits: 64, code: '400580d2a80b80d2010000d4' },
  arm: { id: 40, bits: 32, flags: 0x05000000, code: '2a00a0e30170a0e3000000ef' },
  riscv64: { id: 243, bits: 64, code: '1305a0029308d00573000000' },
  ppc64le: { id: 21, bits: 64, flags: 2, code: '010000382a00603802000044' },
  s390x: { id: 22, bits: 64, bigEndian: true, code: 'a729002a0a01' },
  loong64: { id: 258, bits: 64, flags: 0x43, code: '04a880030b74810300002b00' },
};

/** `e_machine` of an architecture; undefined when it is not known. */
export function machineOf(architecture: string): number | undefined {
  return MACHINES[architecture]?.id;
}

const BASE = 0x400000;

/** A static ELF program of an architecture that ends with `TRIAL_STATUS`; undefined for one that is not known. */
export function trialProgram(architecture: string): Buffer | undefined {
  const machine = MACHINES[architecture];
  if (machine === undefined) return undefined;
  const code = Buffer.from(machine.code, 'hex');
  return machine.bits === 64 ? elf64(machine, code) : elf32(machine, code);
}

function identOf({ bits, bigEndian }: Machine): Buffer {
  const ident = Buffer.alloc(16);
  ident.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, bigEndian ? 2 : 1, 1]);
  return ident;
}

type Field = readonly [bytes: 2 | 4 | 8, value: number];

function fields({ bigEndian }: Machine, list: readonly Field[]): Buffer {
  return Buffer.concat(
    list.map(([bytes, value]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 8) bigEndian ? field.writeBigUInt64BE(BigInt(value)) : field.writeBigUInt64LE(BigInt(value));
      else bigEndian ? field.writeUIntBE(value, 0, bytes) : field.writeUIntLE(value, 0, bytes);
      return field;
    }),
  );
}

/** Type 2 is an executable; its one segment (type 1) is the whole file, to be read and executed (5). */
function elf64(machine: Machine, code: Buffer): Buffer {
  const start = 64 + 56;
  const size = start + code.length;
  const header: readonly Field[] = [
    [2, 2],
    [2, machine.id],
    [4, 1],
    [8, BASE + start],
    [8, 64],
    [8, 0],
  ];
  const sizes: readonly Field[] = [
    [4, machine.flags ?? 0],
    [2, 64],
    [2, 56],
    [2, 1],
    [2, 64],
    [2, 0],
    [2, 0],
  ];
  const segment: readonly Field[] = [
    [4, 1],
    [4, 5],
    [8, 0],
    [8, BASE],
    [8, BASE],
    [8, size],
    [8, size],
    [8, 0x10000],
  ];
  return Buffer.concat([identOf(machine), fields(machine, [...header, ...sizes, ...segment]), code]);
}

function elf32(machine: Machine, code: Buffer): Buffer {
  const start = 52 + 32;
  const size = start + code.length;
  const header: readonly Field[] = [
    [2, 2],
    [2, machine.id],
    [4, 1],
    [4, BASE + start],
    [4, 52],
    [4, 0],
  ];
  const sizes: readonly Field[] = [
    [4, machine.flags ?? 0],
    [2, 52],
    [2, 32],
    [2, 1],
    [2, 40],
    [2, 0],
    [2, 0],
  ];
  const segment: readonly Field[] = [
    [4, 1],
    [4, 0],
    [4, BASE],
    [4, BASE],
    [4, size],
    [4, size],
    [4, 5],
    [4, 0x10000],
  ];
  return Buffer.concat([identOf(machine), fields(machine, [...header, ...sizes, ...segment]), code]);
}
