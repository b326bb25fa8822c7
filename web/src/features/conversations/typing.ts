/**
 * As a person types it, in place of what is selected: Ctrl+Z takes it back alone, and whoever listens for input hears
 * of it. `execCommand` is old, and still the only way to write into a field without losing what can be undone.
 */
export function typeInto(field: HTMLTextAreaElement, text: string): void {
  field.focus();
  if (document.execCommand('insertText', false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(new InputEvent('input', { bubbles: true, inputType: 'insertText', data: text }));
}
