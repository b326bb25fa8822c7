import { contrast, inkOn } from './colour';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'theme';

/** Light or dark, and the organisation's colour. The style sheet derives all the rest. */
class Appearance {
  theme: Theme = $state('system');

  constructor() {
    const remembered = localStorage.getItem(KEY) as Theme | null;
    if (remembered && themes.includes(remembered)) this.choose(remembered);
  }

  choose(theme: Theme): void {
    this.theme = theme;
    if (theme === 'system') {
      localStorage.removeItem(KEY);
      delete document.documentElement.dataset.bsTheme;
    } else {
      localStorage.setItem(KEY, theme);
      document.documentElement.dataset.bsTheme = theme;
    }
  }

  /** A colour that is not `#rrggbb` leaves ours in place. */
  wear(accent: string | null): void {
    const { style } = document.documentElement;
    if (!accent || contrast(accent, '#ffffff') === 0) {
      style.removeProperty('--brand');
      style.removeProperty('--brand-ink');
    } else {
      style.setProperty('--brand', accent);
      style.setProperty('--brand-ink', inkOn(accent));
    }
  }
}

export const appearance = new Appearance();
