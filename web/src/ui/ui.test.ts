import { describe, expect, it } from 'vitest';
import { contrast, inkOn } from './colour';
import { ground, initials } from './face';

describe('the ink on the organisation’s colour', () => {
  it('reads at 4.5:1 or more, whatever the colour', () => {
    for (let step = 0; step <= 0xffffff; step += 4099) {
      const colour = `#${step.toString(16).padStart(6, '0')}`;
      expect(contrast(colour, inkOn(colour)), colour).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('is white on teal and black on yellow', () => {
    expect(inkOn('#24605f')).toBe('#ffffff');
    expect(inkOn('#f2c230')).toBe('#000000');
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
    expect(contrast('red', '#ffffff')).toBe(0);
  });
});

describe('a face without a picture', () => {
  it('shows the first signs of the first and the last word', () => {
    expect(initials('Éloïse Marchand')).toBe('ÉM');
    expect(initials('jean-paul de la tour')).toBe('JT');
    expect(initials('Zoé')).toBe('Z');
    expect(initials('👩‍🚀 Ada')).toBe('👩‍🚀A');
    expect(initials('  ')).toBe('');
  });

  it('has one colour for an account, on which white reads', () => {
    const grounds = new Set(Array.from({ length: 200 }, (_, n) => ground(`account-${n}`)));
    expect(grounds.size).toBe(8);
    for (const colour of grounds) expect(contrast(colour, '#ffffff'), colour).toBeGreaterThanOrEqual(4.5);
    expect(ground('x')).toBe(ground('x'));
  });
});
