/** Several files in one, each written piece by piece and kept only as it is compressed. */
import { Zip, ZipDeflate } from 'fflate';

export class Archive {
  private readonly parts: Uint8Array<ArrayBuffer>[] = [];
  private readonly encoder = new TextEncoder();
  private failure: Error | null = null;
  private readonly zip = new Zip((failure, part) => {
    if (failure) this.failure = failure;
    else this.parts.push(part as Uint8Array<ArrayBuffer>);
  });

  /** What comes out takes the text of this file. */
  file(name: string): { write(text: string): void; end(): void } {
    const entry = new ZipDeflate(name, { level: 6 });
    this.zip.add(entry);
    const write = (text: string) => entry.push(this.encoder.encode(text));
    const end = () => entry.push(new Uint8Array(), true);
    return { write, end };
  }

  /** Once all files have ended. */
  finish(): Blob {
    this.zip.end();
    if (this.failure) throw this.failure;
    return new Blob(this.parts, { type: 'application/zip' });
  }
}
